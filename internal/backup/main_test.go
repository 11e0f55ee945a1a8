package backup

import (
	"testing"

	"github.com/tidelinehq/tideline/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }
