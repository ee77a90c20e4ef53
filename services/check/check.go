// Package check collects the invalid fields of a configuration, so that one error names all of them.
package check

import (
	"errors"
	"fmt"
)

// FieldError is an invalid field of a component's configuration.
type FieldError struct {
	Component string // such as proxy; empty if Field is a whole key
	Field     string // key below the component, such as retry.attempts
	Reason    string // value and what is wanted, such as "11: want at most 10"
}

// Error returns component, field and reason.
func (e *FieldError) Error() string {
	text := e.Field + " " + e.Reason
	if e.Component != "" {
		text = e.Component + ": " + text
	}
	return text
}

// Fields collects the errors of one configuration.
type Fields struct {
	component string
	errs      []error
}

// Of returns Fields without errors for a component.
func Of(component string) *Fields { return &Fields{component: component} }

// That adds a *FieldError unless ok is true.
func (f *Fields) That(ok bool, field, format string, args ...any) {
	if !ok {
		f.errs = append(f.errs, &FieldError{f.component, field, fmt.Sprintf(format, args...)})
	}
}

// Add adds errors, such as those of a nested configuration. It ignores nil.
func (f *Fields) Add(errs ...error) { f.errs = append(f.errs, errs...) }

// Err returns the join of all errors, or nil.
func (f *Fields) Err() error { return errors.Join(f.errs...) }
