package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// DefaultFile is the configuration file in the data folder.
const DefaultFile = "tideline.json"

// LoadFile reads the configuration file that c names, or the one in its data
// folder if there is one, and gives what resolves flags from it; nil when there
// is none.
func LoadFile(c *Common) (*File, error) {
	path := c.Config
	if path == "" {
		path = filepath.Join(c.Folder(), DefaultFile)
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && c.Config == "" {
		return nil, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("read the configuration file: %w: run commands as the user that the server runs as", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration file: %w: look at --config", err)
	}
	return parseFile(path, data)
}

// File is a configuration file. It resolves kong flags.
type File struct {
	path   string
	values map[string]any
}

func parseFile(path string, data []byte) (*File, error) {
	f := &File{path: path}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber() // flags are read from text; a float would lose digits
	if err := dec.Decode(&f.values); err != nil {
		return nil, fmt.Errorf(`%s is not a JSON object such as {"listen": "127.0.0.1:8080"}: %w`, path, err)
	}
	if dec.More() {
		return nil, fmt.Errorf("%s has something after its JSON object; keep one object", path)
	}
	return f, nil
}

// Validate refuses keys that are no flags, so that a misspelt one is noticed.
func (f *File) Validate(app *kong.Application) error {
	known := map[string]bool{}
	collect(app.Node, known)
	for _, key := range slices.Sorted(maps.Keys(f.values)) {
		if !known[key] {
			return fmt.Errorf("%s sets %q, which is the name of no flag; those of the server are %s", f.path, key, strings.Join(serverFlags(app), ", "))
		}
	}
	return nil
}

// collect notes the names of all flags of a command and those below it.
func collect(node *kong.Node, names map[string]bool) {
	for _, flag := range node.Flags {
		if settable(flag) {
			names[flag.Name] = true
		}
	}
	for _, child := range node.Children {
		collect(child, names)
	}
}

// serverFlags names what files are mostly for: the common flags and serve's.
func serverFlags(app *kong.Application) []string {
	names := map[string]bool{}
	for _, child := range app.Children {
		if child.Name == "serve" {
			collect(child, names)
		}
	}
	for _, flag := range app.Flags {
		names[flag.Name] = settable(flag)
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(names)), func(n string) bool { return !names[n] })
}

// Resolve gives the file's value of a flag unless the environment sets it. A key
// counts for every command that has the flag.
func (f *File) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !settable(flag) {
		return nil, nil
	}
	for _, name := range flag.Envs {
		if os.Getenv(name) != "" {
			return nil, nil
		}
	}
	switch v := f.values[flag.Name].(type) {
	case json.Number:
		return v.String(), nil
	case nil, string, bool, []any:
		return v, nil
	default:
		return nil, fmt.Errorf("%s: %q must be a string, a number, true, false or a list", f.path, flag.Name)
	}
}

// settable reports whether a file may set the flag.
func settable(flag *kong.Flag) bool {
	return flag.Name != "help" && flag.Name != "config"
}
