package proxy

// spelled returns the registered spelling of a field name. The argument is the name in the canonical form of net/http. Field names are
// case-insensitive (RFC 9110, 5.1), but some embedded peers and tools compare them with the registered spelling. The list has fields of the
// IANA registry of HTTP field names, and unregistered fields of which only one spelling is in use. It must not have a field that net/http
// looks up in the header of a response, because net/http finds only the canonical form.
func spelled(canonical string) string {
	switch canonical {
	case "Sec-Websocket-Accept":
		return "Sec-WebSocket-Accept"
	case "Sec-Websocket-Extensions":
		return "Sec-WebSocket-Extensions"
	case "Sec-Websocket-Key":
		return "Sec-WebSocket-Key"
	case "Sec-Websocket-Protocol":
		return "Sec-WebSocket-Protocol"
	case "Sec-Websocket-Version":
		return "Sec-WebSocket-Version"
	case "A-Im":
		return "A-IM"
	case "Content-Id":
		return "Content-ID"
	case "Content-Md5":
		return "Content-MD5"
	case "Dav":
		return "DAV"
	case "Dnt":
		return "DNT"
	case "Dpop":
		return "DPoP"
	case "Dpop-Nonce":
		return "DPoP-Nonce"
	case "Etag":
		return "ETag"
	case "Expect-Ct":
		return "Expect-CT"
	case "Im":
		return "IM"
	case "Last-Event-Id":
		return "Last-Event-ID"
	case "Mime-Version":
		return "MIME-Version"
	case "Nel":
		return "NEL"
	case "Sec-Ch-Ua":
		return "Sec-CH-UA"
	case "Sec-Ch-Ua-Mobile":
		return "Sec-CH-UA-Mobile"
	case "Sec-Ch-Ua-Platform":
		return "Sec-CH-UA-Platform"
	case "Sec-Gpc":
		return "Sec-GPC"
	case "Slug":
		return "SLUG"
	case "Soapaction":
		return "SOAPAction"
	case "Sourcemap":
		return "SourceMap"
	case "Www-Authenticate":
		return "WWW-Authenticate"
	case "X-Csrf-Token":
		return "X-CSRF-Token"
	case "X-Dns-Prefetch-Control":
		return "X-DNS-Prefetch-Control"
	case "X-Http-Method-Override":
		return "X-HTTP-Method-Override"
	case "X-Real-Ip":
		return "X-Real-IP"
	case "X-Ua-Compatible":
		return "X-UA-Compatible"
	case "X-Xsrf-Token":
		return "X-XSRF-Token"
	case "X-Xss-Protection":
		return "X-XSS-Protection"
	}
	return canonical
}
