package main

import (
	"github.com/tidelinehq/tideline/internal/retention"
	"github.com/tidelinehq/tideline/internal/telemetry"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/workspace"
)

// openRetention makes the part that deletes what is too old.
func (s *server) openRetention() error {
	set, err := s.serve.Retention()
	if err != nil {
		return err
	}
	s.keeper = retention.New(retention.Deps{
		Store: s.store, Blobs: s.files.blobs, Observer: telemetry.NewRetention(s.metrics), Logger: s.log,
	}, retention.Config{Default: set})
	return nil
}

// retentionFlags are those of a workspace's own setting.
type retentionFlags struct {
	KeepMessages *string `placeholder:"DAYS" help:"How long messages are kept: days such as 365d, forever, or default, which is what the server was told."`
	KeepFiles    *string `placeholder:"DAYS" help:"How long files are kept that no message used since, likewise."`
	Archive      *string `placeholder:"WHAT" help:"What is archived of messages before they are deleted: none, messages, files (messages with their files), or default."`
}

// change reads the flags.
func (f *retentionFlags) change() (c workspace.RetentionChange, err error) {
	for _, set := range []struct {
		text *string
		to   **tideline.Keep
	}{{f.KeepMessages, &c.Messages}, {f.KeepFiles, &c.Files}} {
		if set.text == nil {
			continue
		}
		k, err := tideline.ParseKeep(*set.text)
		if err != nil {
			return c, err
		}
		*set.to = &k
	}
	if f.Archive != nil {
		a, err := tideline.ParseArchiving(*f.Archive)
		if err != nil {
			return c, err
		}
		c.Archive = &a
	}
	return c, nil
}
