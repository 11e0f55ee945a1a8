package testenv

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// Main runs the tests of a package, then stops what testenv has started for
// them, removes its temporary files and checks with goleak that no goroutine is
// left. The options are goleak's. It ends the process and does not return; the
// exit code is that of the tests, or 1 when only the cleaning up or the leak
// check failed.
func Main(m *testing.M, options ...goleak.Option) {
	code := m.Run()
	if err := shutdown(); err != nil {
		fmt.Fprintf(os.Stderr, "testenv: %v\n", err)
		code = max(code, 1)
	}
	// After a failed test leaks are expected (t.Fatal skips orderly stops) and
	// would only hide the failure.
	if code == 0 {
		if err := goleak.Find(options...); err != nil {
			fmt.Fprintf(os.Stderr, "testenv: %v\n", err)
			code = 1
		}
	}
	os.Exit(code)
}

// shutdown undoes everything the process-wide parts of testenv have done. The
// order matters: the server's files are inside the scratch folder.
func shutdown() error {
	if err := endShared(); err != nil {
		return err
	}
	if err := postgres.stop(); err != nil {
		return err
	}
	return scratch.remove()
}
