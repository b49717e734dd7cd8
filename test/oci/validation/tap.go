// Package tap writes the Test Anything Protocol, version 13. The validation programs and runtimetest are written for a package
// that Debian has not; this one has the same names, so that they are built as they are.
package tap

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// T counts the tests of one output.
type T struct {
	// Writer is where the lines go: standard output.
	Writer io.Writer
	count  *int
	todo   bool
}

// New begins at test 1.
func New() *T { return &T{Writer: os.Stdout, count: new(int)} }

// Header is the first line, and the plan where the number of tests is known already.
func (t *T) Header(tests int) {
	fmt.Fprintln(t.Writer, "TAP version 13")
	if tests > 0 {
		fmt.Fprintf(t.Writer, "1..%d\n", tests)
	}
}

// AutoPlan is the plan behind the tests.
func (t *T) AutoPlan() { fmt.Fprintf(t.Writer, "1..%d\n", *t.count) }

// Ok is one test.
func (t *T) Ok(passed bool, description string) {
	result := "ok"
	if !passed {
		result = "not ok"
	}
	if t.todo {
		description = "# TODO " + description
	} else if description != "" {
		description = "- " + description
	}
	*t.count++
	fmt.Fprintf(t.Writer, "%s %d %s\n", result, *t.count, description)
}

// Pass is a test that passed.
func (t *T) Pass(description string) { t.Ok(true, description) }

// Fail is a test that did not.
func (t *T) Fail(description string) { t.Ok(false, description) }

// Skip is that many tests that were not made.
func (t *T) Skip(tests int, description string) {
	for ; tests > 0; tests-- {
		*t.count++
		fmt.Fprintf(t.Writer, "ok %d # SKIP %s\n", *t.count, description)
	}
}

// Todo is for tests that are known to fail.
func (t *T) Todo() *T { return &T{Writer: t.Writer, count: t.count, todo: true} }

// Diagnostic is a comment, which may have several lines.
func (t *T) Diagnostic(message string) {
	for _, line := range lines(message) {
		fmt.Fprintf(t.Writer, "# %s\n", line)
	}
}

// Diagnosticf is a comment made by fmt.Sprintf.
func (t *T) Diagnosticf(format string, values ...interface{}) {
	t.Diagnostic(fmt.Sprintf(format, values...))
}

// YAML is what there is to know of the test before. JSON is YAML, too.
func (t *T) YAML(message interface{}) error {
	text, err := json.MarshalIndent(message, "  ", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.Writer, "  ---\n  %s\n  ...\n", text)
	return err
}

func lines(text string) []string {
	var found []string
	begin := 0
	for i := range text {
		if text[i] == '\n' {
			found, begin = append(found, text[begin:i]), i+1
		}
	}
	return append(found, text[begin:])
}
