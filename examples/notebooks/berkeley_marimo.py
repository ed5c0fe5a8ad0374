"""Berkeley's admissions: `marimo edit berkeley_marimo.py`, or `python berkeley_marimo.py` as a script."""

import marimo

app = marimo.App()


@app.cell
def _():
    from pathlib import Path

    import marimo as mo
    import pandas

    import audit

    here = Path(__file__).resolve().parent
    return audit, here, mo, pandas


@app.cell
def _(mo):
    mo.md(
        """
        # 4,526 applications, six departments

        Fewer women than men were admitted. In which departments?
        """
    )
    return


@app.cell
def _(here, pandas):
    counts = pandas.read_csv(here.parent / "berkeley" / "admissions.csv")
    counts
    return (counts,)


@app.cell
def _(audit, counts):
    done = audit.audit(
        counts,
        prediction="admitted",
        positive="Yes",
        count="count",
        sensitive={"sex": {"reference": "Men"}},
        control=["department"],
        rules=[
            {"id": "pooled", "metric": "selection_rate", "comparison": "difference", "at_most": 0.05},
            {
                "id": "within",
                "metric": "selection_rate",
                "comparison": "conditional_difference",
                "at_most": 0.05,
            },
        ],
    )
    done
    return (done,)


@app.cell
def _(done):
    pooled = done.result.findings[0]
    pooled
    return (pooled,)


@app.cell
def _(done, mo, pooled):
    strata = done.result.conditional[0]
    said = (
        f"Pooled {pooled.value:+.3f}; within departments {strata.difference:+.3f} "
        f"({strata.difference_low:+.3f} to {strata.difference_high:+.3f}): {strata.simpson}."
    )
    print(said)
    mo.md(said)
    return


if __name__ == "__main__":
    app.run()
