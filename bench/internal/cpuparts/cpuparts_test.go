package cpuparts_test

import (
	"bytes"
	"math"
	"runtime/pprof"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/bench/internal/cpuparts"
	"github.com/tidelinehq/tideline/internal/webhook"
)

// A real profile of work that a part does is said to be that part's.
func TestWorkBelongsToThePartThatDoesIt(t *testing.T) {
	var profile bytes.Buffer
	if err := pprof.StartCPUProfile(&profile); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 500_000 && t.Context().Err() == nil; i++ {
		_ = webhook.NewSecret()
	}
	pprof.StopCPUProfile()
	got, err := cpuparts.Of(profile.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for name, share := range got {
		if sum += share; name != cpuparts.Rest && share > got["webhooks"] {
			t.Errorf("%s has more than webhooks: %v", name, got)
		}
	}
	if got["webhooks"] < 0.1 || math.Abs(sum-1) > 0.001 { // the race detector's own work is the runtime's
		t.Errorf("%v, want much of it in webhooks, and all together to be one", got)
	}
}

func TestWhatIsNoProfileIsAnError(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		if _, err := cpuparts.Of(rapid.SliceOf(rapid.Byte()).Draw(t, "profile")); err == nil {
			t.Error("it was read")
		}
	})
}
