"""Where other tools meet the toolkit; each module stands alone and loads its tool."""
