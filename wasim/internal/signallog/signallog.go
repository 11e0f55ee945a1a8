// Package signallog silences libsignal.
package signallog

import (
	"sync"

	"go.mau.fi/libsignal/logger"
)

// Silence stops libsignal from printing to standard output, as it does by default whenever it falls back
// to an older session. It acts once per process, and only if the program has set no logger. It must come
// before libsignal is used concurrently, since libsignal sets its default logger without a lock.
func Silence() { once() }

var once = sync.OnceFunc(func() {
	if logger.Logger == nil {
		var l logger.Loggable = silent{}
		logger.Setup(&l)
	}
})

type silent struct{}

func (silent) Debug(string, string)   {}
func (silent) Info(string, string)    {}
func (silent) Warning(string, string) {}
func (silent) Error(string, string)   {}
func (silent) Configure(string)       {}
