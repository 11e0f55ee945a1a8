package config

import (
	"path/filepath"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// The data folders that are used when none is named, below the working folder.
const (
	DefaultData    = "tideline-data"
	DefaultSandbox = "tideline-sandbox"
)

// DatabaseFile is the SQLite database in the data folder.
const DatabaseFile = "tideline.db"

// Common are the settings that every command knows.
type Common struct {
	Config    string `placeholder:"FILE" type:"path" help:"Read settings from this JSON file: an object with flag names as keys. Default: tideline.json in the data folder, if there is one."`
	Data      string `placeholder:"DIR" type:"path" help:"Folder that holds everything the server keeps. Default: ./tideline-data, with --sandbox ./tideline-sandbox."`
	Database  string `placeholder:"URL" help:"Database: postgres://user:password@host/name, or the path of an SQLite file. Default: tideline.db in the data folder."`
	Listen    string `placeholder:"ADDR" default:"127.0.0.1:8080" help:"Address and port the server listens on (${default}). Port 0 picks a free one."`
	Sandbox   bool   `help:"Work with a sandbox: a WhatsApp network inside the process, with phones that exist only there. Nothing reaches the real WhatsApp."`
	Workspace string `placeholder:"SLUG" help:"Workspace to work on. Not needed while there is only one."`
	JSON      bool   `name:"json" help:"Print results as JSON."`
}

// Folder is the data folder that c names.
func (c *Common) Folder() string {
	switch {
	case c.Data != "":
		return c.Data
	case c.Sandbox:
		return DefaultSandbox
	default:
		return DefaultData
	}
}

// DatabaseURL is the database that c names: a postgres:// URL or a path.
func (c *Common) DatabaseURL() string {
	if c.Database != "" {
		return c.Database
	}
	return filepath.Join(c.Folder(), DatabaseFile)
}

// OnPostgres reports whether the database is a PostgreSQL server rather than a file.
func (c *Common) OnPostgres() bool { return isPostgres(c.DatabaseURL()) }

// Check reports settings that make no sense. The error's code is CodeValidation.
func (c *Common) Check() error {
	if c.Workspace != "" {
		if err := tideline.CheckSlug(c.Workspace); err != nil {
			return err
		}
	}
	if err := checkListen(c.Listen); err != nil {
		return err
	}
	return checkDatabase(c.DatabaseURL())
}
