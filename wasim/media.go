package wasim

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim/internal/attachment"
	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

const (
	maxUpload = 2 << 30 // WhatsApp's limit for documents, on disk
	maxInRAM  = 256 << 20

	realMediaHost = "mmg.whatsapp.net"
	spareHost     = "media.cdn.whatsapp.net"
	mediaPrefix   = "/v/wasim/"
	socketPath    = "/ws/chat"
)

// blobStore keeps encrypted files by the hexadecimal SHA-256 of their content.
type blobStore interface {
	// put keeps what r yields, durably, if its hash is the one given; else it returns errBlobHash.
	put(sum string, r io.Reader) error
	// open returns a file, or fs.ErrNotExist.
	open(sum string) (io.ReadCloser, error)
	remove(sum string) error
}

var errBlobHash = errors.New("content doesn't match its hash")

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	if s.control {
		mux.Handle("/sandbox/", Control(s))
	}
	mux.HandleFunc("GET "+socketPath, s.serveSocket)
	mux.HandleFunc("POST /mms/{kind}/{token}", s.serveUpload)
	mux.HandleFunc("DELETE /mms/{kind}/{token}", s.serveDelete)
	mux.HandleFunc("GET "+mediaPrefix+"{sum}", s.serveDownload)
	return mux
}

// iqMediaConn tells a client where to upload to: two hosts, to be tried in turn. All four attributes must be there (whatsmeow
// mediaconn.go).
func (c *conn) iqMediaConn(n *stanza.Node) {
	c.result(n, stanza.Node{
		Tag:   "media_conn",
		Attrs: stanza.Attrs{"auth": "wasim", "ttl": 3600, "auth_ttl": 21600, "max_buckets": 12},
		Content: []stanza.Node{
			{Tag: "host", Attrs: stanza.Attrs{"hostname": c.srv.mediaHost()}},
			{Tag: "host", Attrs: stanza.Attrs{"hostname": c.srv.secondMediaHost()}},
		},
	})
}

// serveUpload keeps an encrypted file. The token in its path is the file's hash.
func (s *Server) serveUpload(w http.ResponseWriter, r *http.Request) {
	if f, ok := s.faults.takeAt(FaultRefuseUpload, r.Host == s.mediaHost()); ok {
		http.Error(w, "refused by fault", f.Code)
		return
	}
	sum, err := tokenSum(r.PathValue("token"))
	if err != nil || r.URL.Query().Get("auth") == "" {
		http.Error(w, "bad token or auth", http.StatusForbidden)
		return
	}
	err = s.blobs.put(sum, http.MaxBytesReader(w, r.Body, maxUpload))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	case errors.Is(err, errBlobHash):
		http.Error(w, "content doesn't match the token", http.StatusBadRequest)
		return
	case err != nil:
		s.log.Error("upload not kept", "error", err)
		http.Error(w, "not kept", http.StatusInternalServerError)
		return
	}
	path := blobPath(sum)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{
		"url": "https://" + s.mediaHost() + path, "direct_path": path, "handle": sum,
	})
}

func (s *Server) serveDownload(w http.ResponseWriter, r *http.Request) {
	if f, ok := s.faults.takeAt(FaultRefuseDownload, r.Host == s.mediaHost()); ok {
		http.Error(w, "refused by fault", f.Code)
		return
	}
	sum := r.PathValue("sum")
	if raw, err := hex.DecodeString(sum); err != nil || len(raw) != sha256.Size {
		http.NotFound(w, r)
		return
	}
	file, err := s.blobs.open(sum)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = io.Copy(w, file) // a client that goes away is no error of ours
}

func (s *Server) serveDelete(w http.ResponseWriter, r *http.Request) {
	sum, err := tokenSum(r.PathValue("token"))
	if err == nil {
		err = s.blobs.remove(sum)
	}
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// tokenSum converts an upload token, base64, to the hash's hexadecimal form. whatsmeow pads the token
// (upload.go), Baileys doesn't (Utils/messages-media.js, encodeBase64EncodedStringForUpload).
func tokenSum(token string) (string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(token, "="))
	if err != nil || len(raw) != sha256.Size {
		return "", errors.New("malformed token")
	}
	return hex.EncodeToString(raw), nil
}

// blobPath is a file's direct path. Clients append "&hash=…", so it must have a query already
// (whatsmeow download.go).
func blobPath(sum string) string { return mediaPrefix + sum + "?ccb=1" }

// openFile reads, verifies and decrypts a file that a message refers to.
func (s *Server) openFile(f *fileRef) ([]byte, error) {
	if fault, ok := s.faults.takeAt(FaultRefuseDownload, false); ok {
		return nil, fmt.Errorf("download failed with status %d", fault.Code)
	}
	u, err := url.Parse(f.path)
	if err != nil {
		return nil, errors.New("malformed direct path")
	}
	sum, ok := strings.CutPrefix(u.Path, mediaPrefix)
	if raw, err := hex.DecodeString(sum); !ok || err != nil || len(raw) != sha256.Size {
		return nil, errors.New("direct path isn't from an upload to this server")
	}
	file, err := s.blobs.open(sum)
	if err != nil {
		return nil, errors.New("download failed with status 404")
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxInRAM+1))
	if err != nil {
		return nil, fmt.Errorf("download: %w", err)
	}
	if len(data) > maxInRAM {
		return nil, fmt.Errorf("files above %d bytes are carried but not verified", maxInRAM)
	}
	return attachment.Open(data, f.key, f.encSHA256, f.sha256, f.info)
}

// File is an attachment that a phone sends with [Phone.SendFile].
type File struct {
	Kind    string // image, video, audio, voice or document
	MIME    string
	Name    string // of a document
	Caption string // of an image, video or document
	Data    []byte
}

// SendFile uploads a file and sends it to a number. See [Phone.Send].
func (p *Phone) SendFile(ctx context.Context, to string, f File) (string, error) {
	infos := map[string]string{
		"image": attachment.Image, "video": attachment.Video, "audio": attachment.Audio,
		"voice": attachment.Audio, "document": attachment.Document,
	}
	info, ok := infos[f.Kind]
	if !ok {
		return "", fmt.Errorf("wasim: unknown kind of file %q; use image, video, audio, voice or document", f.Kind)
	}
	sealed, err := attachment.Seal(f.Data, info)
	if err != nil {
		return "", fmt.Errorf("wasim: %w", err)
	}
	sum := hex.EncodeToString(sealed.EncSHA256)
	if err = p.srv.blobs.put(sum, strings.NewReader(string(sealed.Data))); err != nil {
		return "", fmt.Errorf("wasim: keep file: %w", err)
	}
	link, path, size := proto.String("https://"+p.srv.mediaHost()+blobPath(sum)), proto.String(blobPath(sum)), proto.Uint64(uint64(len(f.Data)))
	caption := proto.String(f.Caption)
	if f.Caption == "" {
		caption = nil
	}
	msg := new(waE2E.Message)
	switch f.Kind {
	case "image":
		msg.ImageMessage = &waE2E.ImageMessage{
			URL: link, DirectPath: path, MediaKey: sealed.Key, FileEncSHA256: sealed.EncSHA256,
			FileSHA256: sealed.SHA256, FileLength: size, Mimetype: proto.String(f.MIME), Caption: caption,
		}
	case "video":
		msg.VideoMessage = &waE2E.VideoMessage{
			URL: link, DirectPath: path, MediaKey: sealed.Key, FileEncSHA256: sealed.EncSHA256,
			FileSHA256: sealed.SHA256, FileLength: size, Mimetype: proto.String(f.MIME), Caption: caption,
		}
	case "audio", "voice":
		msg.AudioMessage = &waE2E.AudioMessage{
			URL: link, DirectPath: path, MediaKey: sealed.Key, FileEncSHA256: sealed.EncSHA256,
			FileSHA256: sealed.SHA256, FileLength: size, Mimetype: proto.String(f.MIME), PTT: proto.Bool(f.Kind == "voice"),
		}
	case "document":
		msg.DocumentMessage = &waE2E.DocumentMessage{
			URL: link, DirectPath: path, MediaKey: sealed.Key, FileEncSHA256: sealed.EncSHA256,
			FileSHA256: sealed.SHA256, FileLength: size, Mimetype: proto.String(f.MIME), Caption: caption,
			FileName: proto.String(f.Name), Title: proto.String(f.Name),
		}
	}
	return p.SendMessage(ctx, to, msg)
}

// memoryBlobs keeps files in memory.
type memoryBlobs struct {
	mu    sync.RWMutex
	files map[string][]byte
}

func newMemoryBlobs() *memoryBlobs { return &memoryBlobs{files: map[string][]byte{}} }

func (m *memoryBlobs) put(sum string, r io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(r, maxInRAM+1))
	if err != nil {
		return err
	}
	if len(data) > maxInRAM {
		return fmt.Errorf("files above %d bytes need a folder", maxInRAM)
	}
	if got := sha256.Sum256(data); hex.EncodeToString(got[:]) != sum {
		return errBlobHash
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[sum] = data
	return nil
}

func (m *memoryBlobs) open(sum string) (io.ReadCloser, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	data, ok := m.files[sum]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(strings.NewReader(string(data))), nil
}

func (m *memoryBlobs) remove(sum string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, sum)
	return nil
}

// fileBlobs keeps files in a folder.
type fileBlobs struct{ dir string }

func newFileBlobs(dir string) (*fileBlobs, error) {
	return &fileBlobs{dir}, os.MkdirAll(dir, 0o700)
}

func (b *fileBlobs) put(sum string, r io.Reader) (err error) {
	tmp, err := os.CreateTemp(b.dir, "upload-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(tmp, h), r)
	if err == nil && hex.EncodeToString(h.Sum(nil)) != sum {
		err = errBlobHash
	}
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), filepath.Join(b.dir, sum)); err != nil {
		return err
	}
	return syncDir(b.dir)
}

// syncDir makes a renamed file's name durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (b *fileBlobs) open(sum string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(b.dir, sum))
}

func (b *fileBlobs) remove(sum string) error {
	err := os.Remove(filepath.Join(b.dir, sum))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
