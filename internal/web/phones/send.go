package phones

import (
	"bytes"
	_ "embed" // the voice note of the samples
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"net/http"
	"strings"

	"github.com/tidelinehq/tideline/internal/sandbox/scene"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// maxFile is the size in bytes of what a phone sends from this page.
const maxFile = 32 << 20

// sampleVoice is four seconds of a melody, Opus in Ogg.
//
//go:embed samples/voice.ogg
var sampleVoice []byte

// send writes as the phone's owner: a text, an answer, a changed text, a file, or
// one of the samples.
func (s *section) send(q *ui.Request) error {
	q.R.Body = http.MaxBytesReader(q.W, q.R.Body, maxFile+1<<16)
	if err := q.R.ParseMultipartForm(1 << 20); err != nil {
		if err := q.R.ParseForm(); err != nil {
			return tideline.Errorf(tideline.CodeTooLarge, "%s", q.T("phones.error.size"))
		}
	}
	if q.R.MultipartForm != nil {
		defer func() { _ = q.R.MultipartForm.RemoveAll() }() // temporary files
	}
	n, f := number(q), q.R.PostForm
	d := scene.Draft{To: f.Get("to"), Text: strings.TrimSpace(f.Get("text")), ReplyTo: f.Get("reply")}
	var err error
	if d.File, err = upload(q); err != nil {
		return err
	}
	if d.Text == "" && d.File == nil {
		return tideline.Errorf(tideline.CodeValidation, "%s", q.T("phones.error.empty"))
	}
	if changed := f.Get("edit"); changed != "" {
		return done(q, n, d.To, s.world.Edit(q.Context(), n, changed, d.Text))
	}
	_, err = s.world.Send(q.Context(), n, d)
	return done(q, n, d.To, err)
}

// upload gives the file of the form, nil when there is none.
func upload(q *ui.Request) (*scene.Upload, error) {
	switch q.R.PostForm.Get("sample") {
	case "voice":
		return &scene.Upload{Kind: "voice", MIME: "audio/ogg; codecs=opus", Name: "voice.ogg", Data: sampleVoice}, nil
	case "picture":
		data, err := samplePicture()
		return &scene.Upload{Kind: "image", MIME: "image/png", Name: "picture.png", Data: data}, err
	}
	file, header, err := q.R.FormFile("file")
	if err != nil || header.Size == 0 {
		return nil, nil //nolint:nilerr // a form without a file
	}
	defer func() { _ = file.Close() }() // it was only read
	data, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	u := &scene.Upload{Kind: "document", MIME: header.Header.Get("Content-Type"), Name: header.Filename, Data: data}
	if u.MIME == "" {
		u.MIME = http.DetectContentType(data)
	}
	switch kind, _, _ := strings.Cut(u.MIME, "/"); kind {
	case "image", "video":
		u.Kind = kind
	case "audio":
		u.Kind = "audio"
		if q.R.PostForm.Get("voice") != "" || strings.HasPrefix(u.MIME, "audio/ogg") {
			u.Kind = "voice"
		}
	}
	return u, nil
}

// samplePicture draws a sunset over the sea.
func samplePicture() ([]byte, error) {
	const w, h, horizon = 480, 320, 190
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			k := float64(y) / h
			c := color.RGBA{uint8(250 - 90*k), uint8(150 + 40*k), uint8(90 + 130*k), 255}
			sun := math.Hypot(float64(x-w/2), float64(y-horizon+30))
			switch {
			case y > horizon:
				wave := (math.Sin(float64(x)/17+float64(y)/3) + math.Sin(float64(y)*1.7)) / 2 // -1 to 1
				c = color.RGBA{uint8(30 + 24*wave + 150*glow(x, w)), uint8(95 + 24*wave + 70*glow(x, w)), uint8(125 + 18*wave), 255}
			case sun < 62:
				c = color.RGBA{255, 238, 178, 255}
			}
			img.Set(x, y, c)
		}
	}
	var b bytes.Buffer
	err := png.Encode(&b, img)
	return b.Bytes(), err
}

// glow is how much of the sun a column of the sea mirrors, 0 to 1.
func glow(x, w int) float64 {
	d := float64(x-w/2) / 60
	return math.Exp(-d * d)
}
