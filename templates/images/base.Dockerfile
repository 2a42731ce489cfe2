# The ground every sandbox stands on: a Debian with the tools that repositories expect, a browser for
# pictures, and an unprivileged user. No agent and no credential is in it.
#
# DEBIAN is a Debian 12 image: a pulled one, or one that `script/lib/images.sh` made with debootstrap.
ARG DEBIAN=debian:bookworm-slim

# Node.js comes from its npm package: Debian 12 ships version 18, and the agents need 22. This stage uses
# Debian's npm to fetch it and is thrown away, and with it what the host lent for the download
# (its certificates and its registry settings).
FROM ${DEBIAN} AS node
LABEL deckhand.stage=node
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update -qq && apt-get install -qq --no-install-recommends ca-certificates npm
COPY host /host
ARG NODE_VERSION
ARG NPM_VERSION
ARG NODE_ARCH
RUN export NPM_CONFIG_CAFILE=/host/certificates.pem NPM_CONFIG_USERCONFIG=/host/npmrc \
 && npm install --global --prefix /opt/node --no-audit --no-fund --omit=dev \
      "node-linux-${NODE_ARCH}@${NODE_VERSION}" "npm@${NPM_VERSION}" \
 && mkdir -p /out/bin /out/lib/node_modules \
 && cp "/opt/node/lib/node_modules/node-linux-${NODE_ARCH}/bin/node" /out/bin/node \
 && cp -a /opt/node/lib/node_modules/npm /out/lib/node_modules/npm \
 && ln -s ../lib/node_modules/npm/bin/npm-cli.js /out/bin/npm \
 && ln -s ../lib/node_modules/npm/bin/npx-cli.js /out/bin/npx

FROM ${DEBIAN}
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update -qq && apt-get install -qq --no-install-recommends \
      ca-certificates curl git jq less patch procps ripgrep unzip xz-utils \
      python3 python3-pip python3-venv \
      gcc g++ libc6-dev make pkg-config \
      chromium fonts-dejavu-core fonts-liberation fonts-noto-color-emoji \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log /usr/share/doc/* /usr/share/man/*
COPY --from=node /out/ /usr/local/

# A volume that is mounted on /work or /home/agent takes its owner from here.
RUN groupadd --gid 1000 agent && useradd --uid 1000 --gid 1000 --create-home --shell /bin/bash agent \
 && install -d -o agent -g agent /work /work/repo \
 && install -d /opt/agents /opt/deckhand /run/deckhand \
 && git config --system safe.directory '*' \
 && git config --system user.name agent && git config --system user.email agent@sandbox.invalid \
 && git config --system advice.detachedHead false && git config --system init.defaultBranch main
# The sandbox trusts what its host trusts: where a company's gateway opens TLS, a setup phase could reach no registry
# otherwise. Certificates that Debian brings already are not added twice.
COPY host/certificates.pem /tmp/certificates.pem
RUN awk -v RS='-----END CERTIFICATE-----\n' '{ sub(/^.*-----BEGIN/, "-----BEGIN") } \
      FNR == NR { known[$0] = 1; next } \
      /BEGIN CERTIFICATE/ && !known[$0]++ { printf "%s%s", $0, RS > ("/usr/local/share/ca-certificates/host-" ++n ".crt") }' \
      /etc/ssl/certs/ca-certificates.crt /tmp/certificates.pem \
 && update-ca-certificates >/dev/null && rm /tmp/certificates.pem
# Some clients bring a list of their own and must be told.
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
    NPM_CONFIG_CAFILE=/etc/ssl/certs/ca-certificates.crt \
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
    REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt

ENV HOME=/home/agent LANG=C.UTF-8 NPM_CONFIG_UPDATE_NOTIFIER=false
WORKDIR /work/repo
USER agent
ARG INPUTS=unknown
LABEL deckhand.inputs=${INPUTS}
