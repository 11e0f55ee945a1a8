package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

//go:embed templates/*.html assets
var files embed.FS

// assetPath begins the addresses of assets. What follows is a hash over all of
// them, then "section/name": so a script imports its neighbours by relative
// paths, browsers keep everything for ever, and a new build has new addresses.
const assetPath = "/assets/"

// asset is one file, ready to be sent.
type asset struct {
	kind    string
	plain   []byte
	gzipped []byte // nil when that is not shorter
}

// assets serves the assets of all sections.
type assets struct {
	prefix string // assetPath + hash + "/"
	files  map[string]asset
}

// own is the kit as a section.
func own() Section {
	templates, err := fs.Sub(files, "templates")
	if err != nil {
		panic(err) // the folder is embedded
	}
	static, err := fs.Sub(files, "assets")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return Section{Name: "ui", Templates: templates, Assets: static}
}

// Sub gives a folder of embedded files, for Section.
func Sub(files fs.FS, dir string) fs.FS {
	sub, err := fs.Sub(files, dir)
	if err != nil {
		panic(err) // dir is a constant and no valid path
	}
	return sub
}

var assetKinds = map[string]string{
	".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".webmanifest": "application/manifest+json", ".json": "application/json",
}

func newAssets(sections []Section) (*assets, error) {
	a := &assets{files: map[string]asset{}}
	for _, s := range sections {
		if s.Assets == nil {
			continue
		}
		err := fs.WalkDir(s.Assets, ".", func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			kind := assetKinds[path.Ext(name)]
			if kind == "" {
				return fmt.Errorf("asset %s of %s has no known type", name, s.Name)
			}
			data, err := fs.ReadFile(s.Assets, name)
			if err != nil {
				return err
			}
			a.files[s.Name+"/"+name] = asset{kind, data, compress(data)}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	sum := sha256.New()
	names := make([]string, 0, len(a.files))
	for name := range a.files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(sum, "%s %d\n", name, len(a.files[name].plain))
		sum.Write(a.files[name].plain)
	}
	a.prefix = assetPath + hex.EncodeToString(sum.Sum(nil))[:12] + "/"
	return a, nil
}

func compress(data []byte) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // a valid level is no error
	_, _ = z.Write(data)                                  // nor is writing to memory
	_ = z.Close()
	if b.Len() >= len(data) {
		return nil
	}
	return b.Bytes()
}

// path gives the address of an asset.
func (a *assets) path(name string) (string, error) {
	if _, ok := a.files[name]; !ok {
		return "", fmt.Errorf("there is no asset %q", name)
	}
	return a.prefix + name, nil
}

// ServeHTTP answers with an asset, from an older build's address too: a page that
// was open over an update goes on with what there is.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, assetPath), "/")
	file, ok := a.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.kind)
	h.Set("Vary", "Accept-Encoding")
	if strings.HasPrefix(r.URL.Path, a.prefix) {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	body := file.plain
	if file.gzipped != nil && acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = file.gzipped
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client is gone; there is no one to tell
	}
}

// readIcons makes an inline image of every symbol in icons.svg, which is written
// by us, so that a page needs no request for them.
func readIcons() (map[string]template.HTML, error) {
	data, err := files.ReadFile("assets/icons.svg")
	if err != nil {
		return nil, err
	}
	var sheet struct {
		Symbols []struct {
			ID      string `xml:"id,attr"`
			ViewBox string `xml:"viewBox,attr"`
			Inner   string `xml:",innerxml"`
		} `xml:"symbol"`
	}
	if err := xml.Unmarshal(data, &sheet); err != nil {
		return nil, fmt.Errorf("read icons: %w", err)
	}
	icons := map[string]template.HTML{}
	for _, s := range sheet.Symbols {
		icons[s.ID] = template.HTML(`<svg class="icon" viewBox="` + s.ViewBox + `" aria-hidden="true" focusable="false">` + strings.TrimSpace(s.Inner) + `</svg>`) //nolint:gosec // our own file
	}
	return icons, nil
}
