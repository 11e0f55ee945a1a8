package config

import (
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestThingsAreKeptForeverUnlessSomebodyAsks(t *testing.T) {
	t.Parallel()
	p, err := parse(t, "", "serve")
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Serve.Retention()
	if want := (tideline.Retention{Archive: tideline.ArchiveNone}); err != nil || r != want {
		t.Errorf("%+v, %v", r, err)
	}
	d, err := p.Serve.Deliveries()
	if err != nil || d != tideline.DeliveryLogWindow {
		t.Errorf("deliveries are kept for %s, %v", d, err)
	}
}

func TestHowLongThingsAreKeptIsBounded(t *testing.T) {
	t.Parallel()
	p, err := parse(t, `{"keep-messages": "400d", "archive": "files"}`, "serve", "--keep-files", "30", "--keep-deliveries", "3d")
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Serve.Retention()
	if want := (tideline.Retention{Messages: 400, Files: 30, Archive: tideline.ArchiveFiles}); err != nil || r != want {
		t.Errorf("%+v, %v", r, err)
	}
	if d, err := p.Serve.Deliveries(); err != nil || d != 72*time.Hour {
		t.Errorf("%s, %v", d, err)
	}
	for _, args := range []string{"--keep-messages=6d", "--keep-messages=default", "--keep-files=soon", "--keep-deliveries=2d", "--keep-deliveries=91d",
		"--keep-deliveries=forever", "--archive=all", "--archive=default"} {
		p, err := parse(t, "", "serve", args)
		if err != nil {
			t.Fatal(err)
		}
		flag, _, _ := strings.Cut(args, "=")
		if err := p.Serve.Check(&p.Common); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: error %v", args, err)
		}
	}
}
