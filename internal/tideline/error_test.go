package tideline_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestAnErrorKeepsItsCodeThroughWrapping(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("call: %w", tideline.Errorf(tideline.CodeNotFound, "file %q not found", "a"))
	if !tideline.IsCode(err, tideline.CodeNotFound) {
		t.Errorf("%v has code %q", err, tideline.ErrorCode(err))
	}
	if tideline.ErrorCode(io.EOF) != tideline.CodeInternal || tideline.ErrorCode(nil) != "" || tideline.IsCode(nil, "") {
		t.Error("errors of others are internal, and nil has no code")
	}
	cause := &tideline.Error{Code: tideline.CodeInternal, Message: "storage failed", Err: io.ErrUnexpectedEOF}
	if !errors.Is(cause, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
}

func TestInvalidNamesEveryField(t *testing.T) {
	t.Parallel()
	if err := tideline.Invalid(nil); err != nil {
		t.Errorf("no fields give %v", err)
	}
	err := tideline.Invalid([]tideline.FieldError{{Path: []string{"text"}, Msg: "too long"}, {Path: []string{"labels", "0"}, Msg: "empty"}})
	if want := "validation_error: text: too long; labels.0: empty; text: too long; labels.0: empty"; err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}
