package config

import (
	"fmt"
	"regexp"
	"strings"

	"rollcall/services/check"
)

// APIEnv is the variable of the client verbs that names the API server. It is no key.
const APIEnv = envPrefix + "API"

// checkVariables names each variable of our prefix that sets no key: a mistake in its name would go unseen.
func checkVariables(p *check.Fields, environ []string) {
	known := map[string]bool{APIEnv: true}
	for _, k := range Keys() {
		known[k.Env()] = true
	}
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, envPrefix) || known[name] || ofKubernetes(name, value) {
			continue
		}
		p.Add(fmt.Errorf("environment: unknown variable %s%s", name, nearestVariable(name)))
	}
}

// Kubernetes sets these in each container for each Service of its namespace; for one of the name rollcall, or one that
// begins with rollcall-, they have our prefix. NAME_PORT has the form that Docker's links gave it, tcp://10.0.0.1:4180:
// another value is meant for a key.
var (
	serviceVariable = regexp.MustCompile(`^ROLLCALL_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	linkVariable    = regexp.MustCompile(`^ROLLCALL_([A-Z0-9_]+_)?PORT$`)
	linkValue       = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

func ofKubernetes(name, value string) bool {
	return serviceVariable.MatchString(name) || linkVariable.MatchString(name) && linkValue.MatchString(value)
}

func nearestVariable(name string) string {
	variables := []string{APIEnv}
	for _, k := range Keys() {
		if strings.HasPrefix(k.Env(), name+"_") {
			return ": it is a section with the variable " + k.Env() + " and others"
		}
		variables = append(variables, k.Env())
	}
	variable := nearest(name, variables)
	if variable == "" {
		return ""
	}
	return ", did you mean " + variable + "?"
}
