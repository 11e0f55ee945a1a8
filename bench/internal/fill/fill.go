// Package fill makes many rows for a measurement, in little time.
package fill

import (
	"errors"
	"sync"
	"sync/atomic"
)

// InParallel runs do for 0 to n-1, as many at a time as there are workers, so
// that they share commits. After an error nothing more is begun.
func InParallel(workers, n int, do func(i int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for worker := range workers {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if errs[worker] = do(i); errs[worker] != nil {
					next.Store(int64(n))
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
