// A browser starts no worker from a file. A page that was opened from a disk hands the code of the
// search to the worker instead, as `search-worker.js`, which the build writes, has it.
if (location.protocol === "file:") {
  const Native = window.Worker
  window.Worker = class extends Native {
    constructor() {
      super(URL.createObjectURL(new Blob([window.__search_worker], { type: "text/javascript" })))
    }
  }
}
