// Before the first paint: the theme the person chose, if any; the style sheet follows the system otherwise.
const chosen = localStorage.getItem('lodge.theme');
if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;

// A browser on the host itself drops what it is loading whenever an interface comes or goes, and every container that
// starts is one. Then a part of the page is missing: load it again, but not for ever, and not while nobody answers:
// the browser would have its own page of errors instead of ours.
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const answers = () => fetch(location.pathname, { method: 'HEAD', cache: 'no-store' }).then(() => true, () => false);
async function reload(pause) {
  do await wait(pause); while (!(await answers()));
  location.reload();
}
function loadAgain() {
  const tries = JSON.parse(sessionStorage.getItem('lodge.tries') ?? '[]').filter((at) => Date.now() - at < 60000);
  if (tries.length >= 5) return false;
  sessionStorage.setItem('lodge.tries', JSON.stringify([...tries, Date.now()]));
  reload(300 * (tries.length + 1));
  return true;
}
window.lodgeLoadAgain = loadAgain;
addEventListener('error', (e) => (e.target instanceof HTMLScriptElement || e.target instanceof HTMLLinkElement) && e.target.rel !== 'modulepreload' && loadAgain(), true);
