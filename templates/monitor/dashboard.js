// Renews the page's main part; a reader who opened a list or stands in a field keeps it.
(function () {
  "use strict";
  var every = Math.max(2, Number(document.body.dataset.every) || 60) * 1000;
  var button = document.getElementById("pause"), tag = null, stopped = false;
  button.hidden = false;
  button.addEventListener("click", function () {
    stopped = !stopped;
    button.setAttribute("aria-pressed", String(stopped));
  });
  function renew() {
    if (stopped || document.hidden) { return; }
    fetch(location.pathname, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" }).then(function (answer) {
      if (answer.status !== 200) {
        if (answer.status !== 304) { throw new Error(String(answer.status)); }
        document.body.classList.remove("gone");
        return null;
      }
      tag = answer.headers.get("ETag");
      return answer.text();
    }).then(function (text) {
      document.getElementById("gone").hidden = true;
      if (!text) { return; }
      var fresh = new DOMParser().parseFromString(text, "text/html").getElementById("main");
      var main = document.getElementById("main");
      if (!fresh || main.contains(document.activeElement) && document.activeElement !== main) { return; }
      main.querySelectorAll("details[open]").forEach(function (old) {
        var same = old.id && fresh.querySelector("#" + old.id);
        if (same) { same.open = true; }
      });
      main.replaceChildren.apply(main, Array.from(fresh.childNodes));
    }).catch(function () { document.getElementById("gone").hidden = false; });
  }
  setInterval(renew, every);
}());
