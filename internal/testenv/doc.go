// Package testenv gives tests the real things they need: databases on a real
// PostgreSQL server, the built tideline binary, and processes to drive it as a
// black box. Only tests, test suites and benchmarks may import it.
//
// # Nothing to start by hand
//
// A test that calls [PostgreSQL] gets a fresh database. The server behind it is
// started on first use, once per test binary, in a temporary folder, listening
// on a free port of 127.0.0.1; set TIDELINE_TEST_POSTGRES to the URL of a role
// that may create databases to use a running server instead. If neither is
// possible the test fails and says what to install: it is never skipped, so a
// green run has always run on PostgreSQL.
//
// # Nothing left behind
//
// A package that uses testenv hands its TestMain to [Main]:
//
//	func TestMain(m *testing.M) { testenv.Main(m) }
//
// Main stops the server and removes the temporary folder when the tests are
// over, and fails the run if a goroutine is still there. It cannot run when the
// test binary panics, times out or is killed. For those cases every process
// started here asks the kernel to end it together with the test binary (on
// Linux, see child_linux.go), and the folder, which is locked while its owner
// lives, is removed by the next test binary that needs one.
//
// Only processes started by this package are ever signalled.
package testenv
