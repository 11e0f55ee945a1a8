package tools

import (
	"context"
	"embed"
	"html/template"
	"io"
	"time"

	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
	"github.com/tidelinehq/tideline/internal/webhook"
)

//go:embed templates/*.html assets
var files embed.FS

// Team keeps labels and text templates; *team.Service is one.
type Team interface {
	AllLabels(ctx context.Context, p *tideline.Principal) ([]team.Label, error)
	CreateLabel(ctx context.Context, p *tideline.Principal, name string, colour tideline.Colour) (tideline.Label, error)
	ChangeLabel(ctx context.Context, p *tideline.Principal, id int64, c team.LabelChange) (tideline.Label, error)
	DeleteLabel(ctx context.Context, p *tideline.Principal, id int64) error

	SearchTemplates(ctx context.Context, p *tideline.Principal, query string) ([]team.Template, error)
	Template(ctx context.Context, p *tideline.Principal, id int64) (team.Template, error)
	CreateTemplate(ctx context.Context, p *tideline.Principal, c team.TemplateChange) (team.Template, error)
	ChangeTemplate(ctx context.Context, p *tideline.Principal, id int64, c team.TemplateChange) (team.Template, error)
	DeleteTemplate(ctx context.Context, p *tideline.Principal, id int64) error
	Teammates(ctx context.Context, p *tideline.Principal) ([]string, []team.Teammate, error)
}

// Files keeps attachment templates; *file.Service is one.
type Files interface {
	ListTemplates(ctx context.Context, p *tideline.Principal) ([]file.Template, error)
	TemplateOf(ctx context.Context, p *tideline.Principal, id int64) (file.Template, error)
	AddTemplate(ctx context.Context, p *tideline.Principal, name string, u file.Upload) (tideline.AttachmentTemplate, error)
	RenameTemplate(ctx context.Context, p *tideline.Principal, id int64, name string) error
	ReplaceTemplate(ctx context.Context, p *tideline.Principal, id int64, u file.Upload) error
	DeleteTemplate(ctx context.Context, p *tideline.Principal, id int64) error
	Open(ctx context.Context, f tideline.File) (io.ReadSeekCloser, error)
}

// Webhooks keeps subscriptions and their deliveries; *webhook.Service is one.
type Webhooks interface {
	List(ctx context.Context, p *tideline.Principal) ([]tideline.Webhook, error)
	Health(ctx context.Context, p *tideline.Principal) (map[int64]store.Health, error)
	Get(ctx context.Context, p *tideline.Principal, id int64) (tideline.Webhook, error)
	Create(ctx context.Context, p *tideline.Principal, q webhook.Subscription) (tideline.Webhook, error)
	Update(ctx context.Context, p *tideline.Principal, id int64, u store.WebhookUpdate) (tideline.Webhook, error)
	Delete(ctx context.Context, p *tideline.Principal, id int64) error
	RotateSecret(ctx context.Context, p *tideline.Principal, id int64, overlap time.Duration) (tideline.Webhook, error)
	Test(ctx context.Context, p *tideline.Principal, id int64) (store.Delivery, error)
	Deliveries(ctx context.Context, p *tideline.Principal, webhookID int64, f store.DeliveryFilter, page store.Page) ([]store.Delivery, bool, error)
	Delivery(ctx context.Context, p *tideline.Principal, id int64) (store.Delivery, []store.Attempt, error)
	Replay(ctx context.Context, p *tideline.Principal, deliveryID int64) (store.Delivery, error)
	ReplayAll(ctx context.Context, p *tideline.Principal, webhookID int64, f store.DeliveryFilter) (int64, error)
}

// Accounts lists the WhatsApp numbers that a webhook can be for; store.Store is one.
type Accounts interface {
	AccountsOf(ctx context.Context, workspaceID int64) ([]tideline.Account, int64, error)
}

// Deps is what the pages work with. All fields are required.
type Deps struct {
	Team     Team
	Files    Files
	Webhooks Webhooks
	Accounts Accounts
}

// section answers the pages' requests.
type section struct{ Deps }

// New makes the section.
func New(d Deps) ui.Section {
	s := &section{d}
	return ui.Section{Name: "tools", Templates: ui.Sub(files, "templates"), Assets: ui.Sub(files, "assets"), Routes: s.routes}
}

func (s *section) routes(r *ui.Router) {
	r.Handle("GET /labels", s.listLabels)
	r.Handle("GET /labels/new", s.newLabel)
	r.Handle("GET /labels/{id}/edit", s.editLabel)
	r.Handle("POST /labels", s.createLabel)
	r.Handle("POST /labels/{id}", s.changeLabel)
	r.Handle("POST /labels/{id}/delete", s.deleteLabel)

	r.Handle("GET /templates", s.listTexts)
	r.Handle("GET /templates/texts/new", s.newText)
	r.Handle("GET /templates/texts/{id}/edit", s.editText)
	r.Handle("POST /templates/texts", s.createText)
	r.Handle("POST /templates/texts/{id}", s.changeText)
	r.Handle("POST /templates/texts/{id}/delete", s.deleteText)

	r.Handle("GET /templates/files", s.listFiles)
	r.Handle("GET /templates/files/new", s.newFile)
	r.Handle("GET /templates/files/{id}/edit", s.editFile)
	r.Handle("GET /templates/files/{id}/replace", s.chooseFile)
	r.Raw("GET /templates/files/{id}/content", s.fileContent)
	r.Raw("POST /templates/files", s.addFile)
	r.Handle("POST /templates/files/{id}", s.renameFile)
	r.Raw("POST /templates/files/{id}/replace", s.replaceFile)
	r.Handle("POST /templates/files/{id}/delete", s.deleteFile)

	r.Handle("GET /webhooks", s.listWebhooks)
	r.Handle("GET /webhooks/new", s.newWebhook)
	r.Handle("GET /webhooks/{id}", s.showWebhook)
	r.Handle("GET /webhooks/{id}/edit", s.editWebhook)
	r.Handle("GET /webhooks/{id}/log", s.webhookLog)
	r.Handle("POST /webhooks", s.createWebhook)
	r.Handle("POST /webhooks/{id}", s.changeWebhook)
	r.Handle("POST /webhooks/{id}/enable", s.enableWebhook)
	r.Handle("POST /webhooks/{id}/disable", s.disableWebhook)
	r.Handle("POST /webhooks/{id}/delete", s.deleteWebhook)
	r.Handle("POST /webhooks/{id}/rotate", s.rotateSecret)
	r.Handle("POST /webhooks/{id}/test", s.testWebhook)
	r.Handle("POST /webhooks/{id}/replay", s.replayRange)
	r.Handle("GET /webhooks/{id}/deliveries/{delivery}", s.showDelivery)
	r.Handle("POST /webhooks/{id}/deliveries/{delivery}/replay", s.replayDelivery)
}

// Which assets the pages load.
var (
	styles  = []string{"ui/labels.css", "tools/tools.css"}
	scripts = []string{"tools/tools.js"}
)

// page is a page of the section.
func (s *section) page(q *ui.Request, name, title, nav string, data any) error {
	return q.Page(name, ui.Page{Title: title, Nav: nav, Styles: styles, Scripts: scripts, Data: data})
}

// form is what is asked for in a dialog, or on a page of its own where no script
// opens one.
type form struct {
	Name  string // of the template, after "tools/form-"
	Title string // key of a text
	Back  string // the page behind the dialog
	Data  any
	Act   string // what ui/page.js does after it: "follow" leaves the form's own page
}

// ask shows a form: alone, for a dialog, when "part" is asked for.
func (s *section) ask(q *ui.Request, nav string, f form) error {
	name := "tools/form-" + f.Name
	if q.R.URL.Query().Has("part") {
		return q.Fragment(name, f)
	}
	f.Act = "follow"
	body, err := q.Render(name, f)
	if err != nil {
		return err
	}
	return s.page(q, "tools/form", f.Title, nav, template.HTML(body)) //nolint:gosec // html/template has escaped it
}
