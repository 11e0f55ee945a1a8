package config

import (
	"cmp"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Keep are the server's settings for how long things are kept.
type Keep struct {
	KeepMessages   string `placeholder:"DAYS" default:"forever" help:"How long messages are kept in workspaces that set nothing themselves, e.g. 365d; forever deletes none (${default})."`
	KeepFiles      string `placeholder:"DAYS" default:"forever" help:"How long files are kept that no message used since, likewise (${default})."`
	KeepDeliveries string `placeholder:"DAYS" default:"10d" help:"How long events, and deliveries to webhooks with their log, are kept: 3d to 90d (${default})."`
	Archive        string `placeholder:"WHAT" default:"none" help:"What is archived of messages before they are deleted, in workspaces that set nothing themselves: none, messages, or files, which is messages with their files (${default})."`
}

// The bounds of --keep-deliveries. A delivery is given up after three days; till then
// it must be there.
const (
	minKeepDeliveries tideline.Keep = 3
	maxKeepDeliveries tideline.Keep = 90
)

// Retention is what holds for workspaces that set nothing. Check says whether it can.
func (k *Keep) Retention() (r tideline.Retention, err error) {
	for _, set := range []struct {
		flag, text string
		to         *tideline.Keep
	}{{"keep-messages", k.KeepMessages, &r.Messages}, {"keep-files", k.KeepFiles, &r.Files}} {
		if *set.to, err = tideline.ParseKeep(cmp.Or(set.text, "forever")); err != nil || *set.to == tideline.KeepDefault {
			return r, invalid("--%s %q is not a time such as 365d, at least %s, or forever", set.flag, set.text, tideline.MinKeep)
		}
	}
	if r.Archive, err = tideline.ParseArchiving(cmp.Or(k.Archive, "none")); err != nil || r.Archive == tideline.ArchiveDefault {
		return r, invalid("--archive %q is not none, messages or files", k.Archive)
	}
	return r, nil
}

// Deliveries is how long events and deliveries are kept.
func (k *Keep) Deliveries() (time.Duration, error) {
	days, err := tideline.ParseDays(cmp.Or(k.KeepDeliveries, "10d"))
	if err != nil || days < minKeepDeliveries || days > maxKeepDeliveries {
		return 0, invalid("--keep-deliveries %q is not a time from %s to %s", k.KeepDeliveries, minKeepDeliveries, maxKeepDeliveries)
	}
	return time.Duration(days) * 24 * time.Hour, nil
}

func (k *Keep) checkKeep() error {
	if _, err := k.Retention(); err != nil {
		return err
	}
	_, err := k.Deliveries()
	return err
}
