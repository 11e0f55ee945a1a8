package config_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/internal/config"
	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestPlacesOfFilesAreChecked(t *testing.T) {
	t.Parallel()
	const loopback = "http://127.0.0.1:9000"
	for _, c := range []struct {
		want    string // "" = it is fine
		sandbox bool
		files   config.Files
	}{
		{files: config.Files{Place: "some/folder"}},
		{files: config.Files{Place: "s3://bucket/prefix"}},
		{sandbox: true, files: config.Files{Place: "s3://bucket", S3Endpoint: loopback}},
		{want: `scheme "ftp"`, files: config.Files{Place: "ftp://bucket"}},
		{want: "--s3-endpoint", files: config.Files{Place: "s3://bucket:9000/x"}},
		{want: "such as s3://", files: config.Files{Place: "s3:///prefix"}},
		{want: "set both", files: config.Files{Place: "s3://b", S3AccessKey: "hidden"}},
		{want: "such as https://", files: config.Files{Place: "s3://b", S3Endpoint: "s3.example.com"}},
		{want: "name a loopback address", sandbox: true, files: config.Files{Place: "s3://b"}},
		{want: "on this machine only", sandbox: true, files: config.Files{Place: "s3://b", S3Endpoint: "https://s3.example.com"}},
		{want: "no metadata service", sandbox: true, files: config.Files{Place: "s3://b", S3Endpoint: loopback, S3Credentials: "iam"}},
	} {
		err := c.files.Check(&config.Common{Sandbox: c.sandbox})
		if c.want == "" {
			if err != nil {
				t.Errorf("%+v: %v", c.files, err)
			}
			continue
		}
		if !tideline.IsCode(err, tideline.CodeValidation) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%+v: %v, want a validation error with %q and without keys", c.files, err, c.want)
		}
	}
}

func TestAPlaceHasOneName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := filepath.Join(dir, "other")
	for place, want := range map[string]string{
		"": "", filepath.Join(dir, "files"): "", filepath.Join(dir, "x", "..", "files") + "/": "", other + "/": other,
		"s3://b": "s3://b", "s3://b/p/": "s3://b/p", "s3://b/": "s3://b",
	} {
		if got, err := config.PlaceName(place, dir); err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", place, got, err, want)
		}
	}
}
