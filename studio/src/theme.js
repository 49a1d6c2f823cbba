// Runs before the first paint, so that a chosen theme does not flash; without a choice the system's holds.
try {
  const theme = localStorage.getItem("theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // Storage can be forbidden.
}
document.documentElement.classList.add("js");
