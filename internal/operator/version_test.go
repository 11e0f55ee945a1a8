package operator

import (
	"context"
	"testing"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// fakeVersions keeps a version; it refuses "bad".
func fakeVersions() Versions {
	const builtIn = "2.3000.1"
	announced := builtIn
	return Versions{
		Get: func() Version { return Version{announced, builtIn} },
		Set: func(_ context.Context, v string) (Version, error) {
			switch v {
			case "bad":
				return Version{}, tideline.Errorf(tideline.CodeValidation, "not a version")
			case "":
				v = builtIn
			}
			announced = v
			return Version{announced, builtIn}, nil
		},
	}
}

func TestVersionIsShownAndChanged(t *testing.T) {
	t.Parallel()
	c, _ := start(t, t.TempDir(), fakeAccounts{})
	for _, step := range []struct{ set, want string }{{"2.3000.9", "2.3000.9"}, {"bad", "2.3000.9"}, {"", "2.3000.1"}} {
		v, err := c.SetVersion(t.Context(), step.set)
		if refused := tideline.IsCode(err, tideline.CodeValidation); refused != (step.set == "bad") || err != nil && !refused {
			t.Errorf("set %q: %v", step.set, err)
		}
		if err == nil && v.Announced != step.want {
			t.Errorf("set %q: announced is %s", step.set, v.Announced)
		}
		if v, err := c.Version(t.Context()); err != nil || v.Announced != step.want || v.BuiltIn != "2.3000.1" {
			t.Errorf("after %q: %+v, %v; want %s", step.set, v, err, step.want)
		}
	}
	if err := c.Reconnect(t.Context(), AccountRequest{WorkspaceID: 1, AccountID: 2}); err != nil {
		t.Error(err)
	}
}
