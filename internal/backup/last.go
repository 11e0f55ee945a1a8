package backup

import (
	"context"
	"encoding/json"
	"time"
)

// lastSetting is among the server's own values.
const lastSetting = "last_backup"

// Last is the latest backup that was made of a database.
type Last struct {
	At    time.Time `json:"at"` // the instant whose state it holds
	File  string    `json:"file"`
	Bytes int64     `json:"bytes"`
}

// Settings keeps values; a store.Store does.
type Settings interface {
	Setting(ctx context.Context, name string) (string, error)
	SetSetting(ctx context.Context, name, value string) error
}

// NoteLast notes a backup that is whole and on disk.
func NoteLast(ctx context.Context, s Settings, l Last) error {
	value, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return s.SetSetting(ctx, lastSetting, string(value))
}

// LastOf gives the latest backup; At is zero when none was noted, as in a database
// that was restored from the first one.
func LastOf(ctx context.Context, s Settings) (Last, error) {
	var l Last
	value, err := s.Setting(ctx, lastSetting)
	if err != nil || value == "" {
		return l, err
	}
	return l, json.Unmarshal([]byte(value), &l)
}
