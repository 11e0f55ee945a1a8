package config

import (
	"cmp"
	"net/url"
	"path/filepath"
	"strings"
)

// FilesFolder is the folder of files in the data folder.
const FilesFolder = "files"

// Files says where the bytes of files are kept. All commands that touch files
// share it. Its variables are named here, because kong would make S_3 of S3.
type Files struct {
	Place         string `name:"files" placeholder:"PLACE" help:"Where files are kept: a folder, or s3://bucket/prefix. Default: files in the data folder. Change it with tideline files move."`
	S3Endpoint    string `name:"s3-endpoint" env:"TIDELINE_S3_ENDPOINT" placeholder:"URL" help:"Address of the S3 service, e.g. https://s3.example.com:9000. Default: Amazon's."`
	S3Region      string `name:"s3-region" env:"TIDELINE_S3_REGION" placeholder:"REGION" help:"Region of the bucket. Default: asked for at Amazon, else us-east-1."`
	S3Addressing  string `name:"s3-addressing" env:"TIDELINE_S3_ADDRESSING" placeholder:"FORM" enum:"auto,path,host" default:"auto" help:"Where the bucket's name goes: path (https://host/bucket), host (https://bucket.host), or what the service is known to want (${default})."`
	S3Credentials string `name:"s3-credentials" env:"TIDELINE_S3_CREDENTIALS" placeholder:"SOURCE" enum:"local,iam,none" default:"local" help:"Where keys come from when none are set: local (AWS_ACCESS_KEY_ID and so on, else ~/.aws/credentials), iam (the machine's role, for which its metadata service is asked), none (requests are not signed) (${default})."`
	S3AccessKey   string `name:"s3-access-key" env:"TIDELINE_S3_ACCESS_KEY" placeholder:"KEY" help:"Access key. Better set as TIDELINE_S3_ACCESS_KEY."`
	S3SecretKey   string `name:"s3-secret-key" env:"TIDELINE_S3_SECRET_KEY" placeholder:"KEY" help:"Secret key. Better set as TIDELINE_S3_SECRET_KEY: others see command lines."`
	S3CA          string `name:"s3-ca" env:"TIDELINE_S3_CA" placeholder:"FILE" type:"path" help:"Certificates (PEM) that are trusted for the S3 service besides the system's."`
}

// InS3 reports whether files are in S3.
func (f *Files) InS3() bool { return IsS3(f.Place) }

// IsS3 reports whether a place is in S3.
func IsS3(place string) bool { return strings.HasPrefix(place, "s3://") }

// PlaceName gives a place the one form in which it is remembered: "" for the folder
// in the data folder, wherever that is, an absolute path, or s3://bucket/prefix.
func PlaceName(place, dataFolder string) (string, error) {
	if IsS3(place) {
		return strings.TrimRight(place, "/"), nil
	}
	if place == "" {
		return "", nil
	}
	full, err := filepath.Abs(place)
	if err != nil {
		return "", err
	}
	usual, err := filepath.Abs(filepath.Join(dataFolder, FilesFolder))
	if err != nil {
		return "", err
	}
	if full == usual {
		return "", nil
	}
	return full, nil
}

// PlaceFolder is the folder of a place that is one.
func PlaceFolder(place, dataFolder string) string {
	return cmp.Or(place, filepath.Join(dataFolder, FilesFolder))
}

// Check reports settings that make no sense alone or together with c. The
// error's code is CodeValidation. It never repeats a key.
func (f *Files) Check(c *Common) error { return f.CheckPlace(c, f.Place) }

// CheckPlace does the same for another place, which is reached with the same
// settings.
func (f *Files) CheckPlace(c *Common, place string) error {
	if !IsS3(place) {
		if scheme, _, found := strings.Cut(place, "://"); found {
			return invalid("a place for files with the scheme %q is not known; use a folder, or s3://bucket/prefix", scheme)
		}
		return nil
	}
	if u, err := url.Parse(place); err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Port() != "" {
		return invalid("%q is not a place such as s3://bucket/prefix; the service's address is set with --s3-endpoint", place)
	}
	if (f.S3AccessKey == "") != (f.S3SecretKey == "") {
		return invalid("one of the two S3 keys is missing: set both --s3-access-key and --s3-secret-key")
	}
	endpoint, err := url.Parse(f.S3Endpoint)
	if err != nil || f.S3Endpoint != "" && (endpoint.Scheme != "http" && endpoint.Scheme != "https" || endpoint.Host == "") {
		return invalid("--s3-endpoint is not an address such as https://s3.example.com")
	}
	if c.Sandbox && (f.S3Endpoint == "" || !isLoopback(endpoint.Hostname())) {
		return invalid("a sandbox uses an S3 service on this machine only: name a loopback address with --s3-endpoint")
	}
	if c.Sandbox && f.S3Credentials == "iam" {
		return invalid("a sandbox asks no metadata service: set --s3-access-key and --s3-secret-key instead of --s3-credentials iam")
	}
	return nil
}
