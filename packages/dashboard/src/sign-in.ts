/** A one-time link brings its code behind `#`, where no server sees it: here it becomes a form, and leaves the address. */
const code = new URLSearchParams(location.hash.slice(1)).get('code');
const form = document.querySelector<HTMLFormElement>('#by-link');

if (code !== null && form !== null) {
  history.replaceState(null, '', location.pathname + location.search);
  form.querySelector<HTMLInputElement>('[name=code]')!.value = code;
  form.submit();
}
