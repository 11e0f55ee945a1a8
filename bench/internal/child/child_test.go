package child_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tidelinehq/tideline/bench/internal/child"
)

type greeting struct{ Text string }

func TestMain(m *testing.M) {
	roles := child.Roles{
		"echo": func(ctx context.Context) error {
			var g greeting
			if err := child.Config(&g); err != nil {
				return err
			}
			if err := child.Ready(greeting{g.Text + ", too"}); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		},
		"broken": func(context.Context) error { return errors.New("broken") },
	}
	if asked, err := roles.Play(); asked {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func TestAChildIsToldAndAnswersAndEndsWhenAsked(t *testing.T) {
	t.Parallel()
	var got greeting
	p, err := child.Start(t.Context(), "echo", greeting{"hello"}, &got)
	if err != nil {
		t.Fatal(err)
	}
	if got.Text != "hello, too" || p.PID() == os.Getpid() {
		t.Errorf("process %d said %q", p.PID(), got.Text)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("it did not end in good order: %v", err)
	}
}

func TestAChildThatNeverGetsReadyIsAnError(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"broken", "unknown"} {
		_, err := child.Start(t.Context(), role, nil, new(greeting))
		if err == nil || !strings.Contains(err.Error(), role) {
			t.Errorf("%s: error %v", role, err)
		}
	}
}
