# One static binary and CA certificates:
#
#	docker build -t rollcall .
#
# Where the builder has no network, run `go mod vendor` first.

FROM golang:1.26 AS build
WORKDIR /src
# The modules in a layer of their own, unless they are here already.
COPY go.mod go.sum vendor/modules.tx[t] ./
RUN [ -e modules.txt ] || go mod download
COPY . .
ARG VERSION=devel
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X rollcall/services/version.version=$VERSION" -o /out/usr/local/bin/ ./services/rollcall
RUN mkdir -p /out/etc/ssl/certs /out/var/lib && mkdir -m 1777 /out/tmp \
    && CGO_ENABLED=0 go run ./services/rollcall/cacerts >/out/etc/ssl/certs/ca-certificates.crt

FROM scratch
COPY --from=build /out /
# For registry.snapshot: a new volume here takes over the owner.
COPY --from=build --chown=65532:65532 /out/var/lib /var/lib/rollcall
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/rollcall"]
