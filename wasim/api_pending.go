package wasim

import (
	"context"
	"errors"
	"net/http"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
)

var errPending = errors.New("wasim: not built yet")

type Server struct{}

func Start(ctx context.Context, opts Options) (*Server, error) { return nil, errPending }
func HTTPClient(addr string) *http.Client                      { return nil }
func Control(srv *Server) http.Handler                         { return nil }
func (s *Server) Close() error                                 { return errPending }
func (s *Server) Addr() string                                 { return "" }
func (s *Server) RootKey() [32]byte                            { return [32]byte{} }
func (s *Server) HTTPClient() *http.Client                     { return nil }
func (s *Server) AddPhone(ctx context.Context, opts PhoneOptions) (*Phone, error) {
	return nil, errPending
}
func (s *Server) Phone(number string) (*Phone, bool) { return nil, false }
func (s *Server) Phones() []*Phone                   { return nil }
func (s *Server) SetFault(f Fault) (Fault, error)    { return f, errPending }
func (s *Server) Faults() []Fault                    { return nil }
func (s *Server) ClearFaults(ids ...string)          {}
func (s *Server) Trace(fn func(TraceEvent))          {}
func (s *Server) Unhandled() []Unhandled             { return nil }
func (s *Server) Stats() Stats                       { return Stats{} }

type Phone struct{}

func (p *Phone) Number() string                                            { return "" }
func (p *Phone) Options() PhoneOptions                                     { return PhoneOptions{} }
func (p *Phone) JID() types.JID                                            { return types.JID{} }
func (p *Phone) LID() types.JID                                            { return types.JID{} }
func (p *Phone) ScanQR(ctx context.Context, qr string) error               { return errPending }
func (p *Phone) EnterCode(ctx context.Context, code string) error          { return errPending }
func (p *Phone) Companions() []Companion                                   { return nil }
func (p *Phone) Unlink(ctx context.Context, device int) error              { return errPending }
func (p *Phone) Send(ctx context.Context, to, text string) (string, error) { return "", errPending }
func (p *Phone) SendMessage(ctx context.Context, to string, msg *waE2E.Message) (string, error) {
	return "", errPending
}
func (p *Phone) SendFile(ctx context.Context, to string, f File) (string, error) {
	return "", errPending
}
func (p *Phone) Messages() ([]Received, error)                       { return nil, errPending }
func (p *Phone) Received(after int64, limit int) ([]Received, error) { return nil, errPending }
func (p *Phone) Await(ctx context.Context, match func(Received) bool) (Received, error) {
	return Received{}, errPending
}
func (p *Phone) Receipts() []Receipt { return nil }

// File is an attachment that a phone sends with [Phone.SendFile].
type File struct {
	Kind    string // image, video, audio, voice or document
	MIME    string
	Name    string // documents only
	Caption string
	Data    []byte
}
