package telemetry

import (
	"os"
	"runtime/debug"
)

// gcPercent trades memory for processor time: the live heap of a server is a
// few megabytes, so letting the garbage grow to four times that costs little
// and spares most collections.
const gcPercent = 400

// TuneGC sets the garbage collector for a server, unless the operator did so
// with GOGC.
func TuneGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
