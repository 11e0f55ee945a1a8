// Package browser uses Tideline as people do: in Chromium, against the real
// binary with an emulated WhatsApp.
//
// A test starts a server with start, which takes a second or two, and lets
// persons work with it. All persons share one browser process; each has a context
// of its own in it, with its own cookies. Whatever a page complains about (an
// exception, an error on the console, a violation of the Content-Security-Policy,
// a request to another host, an answer that is an error) fails the test, and so
// does a condition that does not come true in time; both leave a screenshot, whose
// path is printed.
//
// The package also holds the checks of all pages: accessibility, with axe-core,
// and the types of the scripts, with tsc. Both come from npm at the versions of
// package-lock.json and are installed by the first test that needs them, which
// takes Node.js 20; scripts/setup-test installs that.
//
// The pictures in docs/images are taken by the tests. A run writes those that are
// missing; all of them are written anew with
//
//	go test ./e2e/browser -run TestEveryPage -update-images
package browser
