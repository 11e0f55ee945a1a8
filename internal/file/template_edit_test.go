package file_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

func (r *records) ListTemplateFiles(_ context.Context, workspaceID int64) (list []store.TemplateFile, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.templates {
		for _, f := range r.files {
			if f.ID == t.FileID && t.WorkspaceID == workspaceID {
				list = append(list, store.TemplateFile{AttachmentTemplate: t, File: f})
			}
		}
	}
	return list, nil
}

func (r *records) UpdateTemplate(_ context.Context, workspaceID, id int64, u store.TemplateUpdate) error {
	for i := range r.templates {
		if t := &r.templates[i]; t.ID == id && t.WorkspaceID == workspaceID {
			if u.Name != nil {
				t.Name = *u.Name
			}
			if u.FileID != nil {
				t.FileID = *u.FileID
			}
			return nil
		}
	}
	return tideline.Errorf(tideline.CodeNotFound, "no")
}

func (r *records) DeleteTemplate(_ context.Context, workspaceID, id int64) error {
	r.templates = slices.DeleteFunc(r.templates, func(t tideline.AttachmentTemplate) bool {
		return t.ID == id && t.WorkspaceID == workspaceID
	})
	return nil
}

func text(s string) file.Upload {
	return file.Upload{Body: strings.NewReader(s), Describe: func() (file.Description, error) { return file.Description{Name: s + ".txt"}, nil }}
}

// as gives a member of the test's workspace.
func as(id int64, role tideline.Role) *tideline.Principal {
	return principal(func(p *tideline.Principal) { p.Member.ID, p.Member.Role = id, role })
}

func TestATemplateIsItsUploadersAndTheAdmins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	author := as(31, tideline.RoleAgent)
	made, err := w.AddTemplate(ctx, author, "menu", text("one"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		p   *tideline.Principal
		may bool
	}{
		{author, true}, {as(32, tideline.RoleAgent), false}, {as(33, tideline.RoleTeamSupervisor), false},
		{as(34, tideline.RoleAdmin), true}, {as(35, tideline.RoleOwner), true}, {as(31, tideline.RoleCollaborator), false},
	} {
		shown, err := w.TemplateOf(ctx, test.p, made.ID)
		if err != nil || shown.Editable != test.may || shown.File.Name != "one.txt" {
			t.Errorf("%s %d is shown %+v, %v", test.p.Member.Role, test.p.Member.ID, shown, err)
		}
		err = w.RenameTemplate(ctx, test.p, made.ID, "Menu")
		if test.may && err != nil || !test.may && !tideline.IsCode(err, tideline.CodePermissionDenied) {
			t.Errorf("%s %d renames: %v", test.p.Member.Role, test.p.Member.ID, err)
		}
		if !test.may {
			wantCode(t, w.ReplaceTemplate(ctx, test.p, made.ID, text("x")), tideline.CodePermissionDenied)
			wantCode(t, w.DeleteTemplate(ctx, test.p, made.ID), tideline.CodePermissionDenied)
		}
	}
	if _, err := w.AddTemplate(ctx, as(1, tideline.RoleCollaborator), "x", text("x")); !tideline.IsCode(err, tideline.CodePermissionDenied) {
		t.Errorf("a collaborator makes one: %v", err)
	}
	stranger := principal(func(p *tideline.Principal) { p.Workspace.ID = 8; p.Member.Role = tideline.RoleOwner })
	wantCode(t, w.DeleteTemplate(ctx, stranger, made.ID), tideline.CodeNotFound)
	wantCode(t, w.RenameTemplate(ctx, stranger, made.ID, "x"), tideline.CodeNotFound)
	wantCode(t, w.RenameTemplate(ctx, author, made.ID, "a\nb"), tideline.CodeValidation)
}

func TestAReplacedFileStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	p := as(31, tideline.RoleAgent)
	made, err := w.AddTemplate(ctx, p, "menu", text("one"))
	if err != nil {
		t.Fatal(err)
	}
	before, err := w.TemplateOf(ctx, p, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ReplaceTemplate(ctx, p, made.ID, text("two")); err != nil {
		t.Fatal(err)
	}
	after, err := w.TemplateOf(ctx, p, made.ID)
	if err != nil || after.File.Name != "two.txt" || after.Name != "menu" {
		t.Errorf("after: %+v, %v", after, err)
	}
	if err := w.DeleteTemplate(ctx, p, made.ID); err != nil {
		t.Fatal(err)
	}
	for _, f := range []tideline.File{before.File, after.File} {
		r, err := w.Open(ctx, f)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got)+".txt" != f.Name {
			t.Errorf("%s is %q, %v", f.Name, got, err)
		}
		r.Close()
	}
	if _, err := w.TemplateOf(ctx, p, made.ID); !tideline.IsCode(err, tideline.CodeNotFound) {
		t.Errorf("deleted: %v", err)
	}
}
