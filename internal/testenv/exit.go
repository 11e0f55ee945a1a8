package testenv

import (
	"errors"
	"sync"
)

// atExit is what tests of this process share and has to be ended after them.
var atExit struct {
	sync.Mutex
	ends []func() error
}

// AtExit has [Main] call end after the last test, before the scratch folder is
// removed: for what is started once and used by many tests. The last one that was
// added is called first.
func AtExit(end func() error) {
	atExit.Lock()
	defer atExit.Unlock()
	atExit.ends = append(atExit.ends, end)
}

func endShared() error {
	atExit.Lock()
	ends := atExit.ends
	atExit.ends = nil
	atExit.Unlock()
	var errs []error
	for i := len(ends) - 1; i >= 0; i-- {
		errs = append(errs, ends[i]())
	}
	return errors.Join(errs...)
}
