// Package check collects the invalid fields of a configuration, so that one error names all of them.
package check

import (
	"errors"
	"fmt"
)

// Fields collects the errors of one configuration.
type Fields struct {
	prefix string
	errs   []error
}

// Of returns Fields whose errors begin with the name of a component, or with the field if component is empty.
func Of(component string) *Fields {
	if component != "" {
		component += ": "
	}
	return &Fields{prefix: component}
}

// That adds an error unless ok is true. The error consists of component, field and reason, such as "proxy: retry.attempts 11: want at most
// 10".
func (f *Fields) That(ok bool, field, reason string, args ...any) {
	if !ok {
		f.errs = append(f.errs, errors.New(f.prefix+field+" "+fmt.Sprintf(reason, args...)))
	}
}

// Add adds errors, such as those of a nested configuration. It ignores nil.
func (f *Fields) Add(errs ...error) { f.errs = append(f.errs, errs...) }

// Err joins all errors. It returns nil if there is no error.
func (f *Fields) Err() error { return errors.Join(f.errs...) }
