package datadir

import (
	"runtime"
	"testing"
)

func TestASeatIsOfOneFolder(t *testing.T) {
	t.Parallel()
	a, b := Folder{Path: t.TempDir()}, Folder{Path: t.TempDir()}
	if runtime.GOOS != "linux" {
		if a.Seat() != "" {
			t.Errorf("a seat where it can't be told: %q", a.Seat())
		}
		return
	}
	if again := a.Seat(); again == "" || again != a.Seat() || again == b.Seat() {
		t.Errorf("seats %q and %q", a.Seat(), b.Seat())
	}
	if s := (Folder{Path: "/nowhere/at/all"}).Seat(); s != "" {
		t.Errorf("a folder that isn't there has the seat %q", s)
	}
}
