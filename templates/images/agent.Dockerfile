# One coding agent on top of the base image, installed on the machine that runs it: some agents may be
# used freely but not handed on, so no ready-made image of them is published.
#
# What to install is in `agents/<agent>/packages`, how to start it over the Agent Client Protocol in
# `agents/<agent>/run`.
FROM deckhand-base:latest AS install
LABEL deckhand.stage=install
USER root
COPY host /host
ARG AGENT
ARG PACKAGES
# The versions are exact: npm, left to choose, takes the newest release whose `engines` fit the Node.js it
# runs on, which can be half a year old, and says nothing.
RUN export HOME=/tmp NPM_CONFIG_USERCONFIG=/host/npmrc \
 && npm install --prefix "/opt/agents/${AGENT}" --no-audit --no-fund --no-save --omit=dev ${PACKAGES}
COPY agent/ /opt/agents/${AGENT}/
RUN printf '%s\n' ${PACKAGES} > "/opt/agents/${AGENT}/VERSION" \
 && chmod 0755 "/opt/agents/${AGENT}/run"

FROM deckhand-base:latest
ARG AGENT
COPY --from=install /opt/agents/${AGENT} /opt/agents/${AGENT}
ARG INPUTS=unknown
LABEL deckhand.inputs=${INPUTS}
