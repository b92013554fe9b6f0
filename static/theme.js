// Before the first paint: the theme the person chose, if any; the style sheet follows the system otherwise.
const chosen = localStorage.getItem('lodge.theme');
if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
