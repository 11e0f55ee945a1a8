package workspace

import (
	"context"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// keepStore keeps one setting.
type keepStore struct {
	fakeStore
	kept tideline.Retention
	sets int
}

func (f *keepStore) Retention(context.Context, int64) (tideline.Retention, error) { return f.kept, nil }

func (f *keepStore) SetRetention(_ context.Context, _ int64, r tideline.Retention, _ time.Time) error {
	f.kept = r
	f.sets++
	return nil
}

func TestHowLongThingsAreKeptIsForAdmins(t *testing.T) {
	t.Parallel()
	for role, may := range map[tideline.Role]bool{tideline.RoleOwner: true, tideline.RoleAdmin: true,
		tideline.RoleTeamSupervisor: false, tideline.RoleTeammate: false, tideline.RoleAgent: false} {
		f := &keepStore{kept: tideline.RetentionDefault}
		p := &tideline.Principal{Member: tideline.Member{Role: role}}
		days := tideline.Keep(90)
		err := New(f, nil).SetRetentionAs(t.Context(), p, RetentionChange{Files: &days})
		if may && (err != nil || f.kept != tideline.Retention{Messages: tideline.KeepDefault, Files: 90}) {
			t.Errorf("%s: %v, %+v", role, err, f.kept)
		}
		if !may && (!tideline.IsCode(err, tideline.CodePermissionDenied) || f.sets > 0) {
			t.Errorf("%s: %v", role, err)
		}
	}
	f := &keepStore{}
	short := tideline.Keep(1)
	if err := New(f, nil).SetRetention(t.Context(), tideline.Workspace{}, RetentionChange{Messages: &short}); !tideline.IsCode(err, tideline.CodeValidation) || f.sets > 0 {
		t.Errorf("a day: %v", err)
	}
}
