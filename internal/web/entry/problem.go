package entry

import (
	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// styles are the section's sheets.
var styles = []string{"entry/entry.css"}

// problems says what is wrong with a form: by field, and under "" with all of it.
type problems map[string]string

// explain puts a validation_error in the member's words. password and email are
// what was typed.
func explain(q *ui.Request, err *tideline.Error, password, email string) problems {
	p := problems{}
	for _, f := range err.Fields {
		if len(f.Path) == 0 {
			continue
		}
		switch f.Path[0] {
		case "name":
			p["name"] = q.T("entry.problem.name")
		case "email":
			p["email"] = q.T("entry.problem.email")
		case "zone":
			p["zone"] = q.T("entry.problem.zone")
		case "old_password":
			p["old_password"] = q.T("entry.problem.old")
		case "password":
			p["password"] = passwordProblem(q, auth.PasswordFault(password, email))
		default:
			p[f.Path[0]] = f.Msg
		}
	}
	if len(p) == 0 {
		p[""] = err.Message
	}
	return p
}

func passwordProblem(q *ui.Request, fault auth.Fault) string {
	switch fault {
	case auth.FaultShort:
		return q.T("entry.problem.password.short", "n", auth.MinPassword)
	case auth.FaultLong:
		return q.T("entry.problem.password.long", "n", auth.MaxPassword)
	case auth.FaultEmail:
		return q.T("entry.problem.password.email")
	case auth.FaultCommon:
		return q.T("entry.problem.password.common")
	}
	return q.T("entry.problem.password.other")
}
