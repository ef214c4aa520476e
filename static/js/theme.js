// Runs before the first paint: theme (light, dark, system) and width of the navigation, kept per browser.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const read = (key, fallback) => { try { return localStorage.getItem(key) || fallback; } catch { return fallback; } };
  const keep = (key, value) => { try { localStorage.setItem(key, value); } catch { /* private window: for this page only */ } };
  let theme = read("slipway-theme", "system");

  function apply() {
    root.dataset.bsTheme = theme === "system" ? (system.matches ? "dark" : "light") : theme;
    document.querySelectorAll("[data-theme-choice]").forEach((button) =>
      button.setAttribute("aria-checked", String(button.dataset.themeChoice === theme)));
    document.dispatchEvent(new CustomEvent("studio:theme"));
  }

  function collapse(state) {
    root.dataset.nav = state;
    document.querySelectorAll("[data-nav-toggle]").forEach((button) =>
      button.setAttribute("aria-expanded", String(state !== "collapsed")));
  }

  document.addEventListener("click", (event) => {
    const choice = event.target.closest("[data-theme-choice]");
    if (choice) { theme = choice.dataset.themeChoice; keep("slipway-theme", theme); apply(); }
    if (event.target.closest("[data-nav-toggle]")) {
      collapse(root.dataset.nav === "collapsed" ? "expanded" : "collapsed");
      keep("slipway-nav", root.dataset.nav);
    }
  });
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => { apply(); collapse(root.dataset.nav); });
  apply();
  collapse(read("slipway-nav", "expanded"));
})();
