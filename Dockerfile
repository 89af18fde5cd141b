# Postern's image: the compiled program and its dependencies on Node.js, no build tools, not root.
#
#     docker build --tag postern .          (or buildah bud --isolation chroot --tag postern .)
#     docker run --read-only --tmpfs /var/spool/postern:uid=10025 --cap-drop all postern
#
# docker/check-image.sh builds and tries it; docs/sidecar.md tells how it is used.

# The same version that the tests run on (package.json, devDependencies).
ARG BASE=docker.io/library/node:24.21.0-bookworm-slim

FROM ${BASE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
# No scripts: they would fetch a second Node.js, which only checkouts need.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
RUN npm run --ignore-scripts build \
  && chmod 755 dist/cli.js

FROM ${BASE} AS dependencies
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Postern" \
  org.opencontainers.image.description="A transparent SMTP/LMTP authenticating proxy: SPF, DKIM, ARC, DMARC and iprev between two mail servers" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}"

# A fixed number, so that volumes and Kubernetes' runAsUser can name it. Nothing in the image belongs to it
# but the spool, which is the only place that is ever written to.
RUN groupadd --gid 10025 postern \
  && useradd --uid 10025 --gid 10025 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin postern \
  && mkdir -p /etc/postern /var/spool/postern \
  && chown postern:postern /var/spool/postern \
  && chmod 700 /var/spool/postern \
  && ln -s /opt/postern/dist/cli.js /usr/local/bin/postern

WORKDIR /opt/postern
COPY --from=dependencies /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY package.json LICENSE ./
COPY config ./config

ENV NODE_ENV=production
USER 10025:10025
EXPOSE 10025 8025
STOPSIGNAL SIGTERM

# Asks the running process where it serves HTTP, which is POSTERN_HTTP or the default of the configuration.
# With another `http` in the file, set POSTERN_HTTP to the same; with `http: false`, use --no-healthcheck.
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 \
  CMD ["node", "-e", "fetch('http://' + (process.env.POSTERN_HTTP || '127.0.0.1:8025') + '/healthz').then((reply) => process.exit(reply.ok ? 0 : 1), () => process.exit(1))"]

ENTRYPOINT ["postern"]
CMD ["serve"]
