# The image a sandbox starts from: an agent's image (or the base, for proof without an agent) and Deckhand's
# own static shim. The shim is the last layer, so that a new one costs a second.
#
# There is no ENTRYPOINT: the executor starts `/opt/deckhand/shim run -- <command>` itself, and the same
# image serves for a plain command in a test.
ARG FROM_IMAGE
FROM ${FROM_IMAGE}
COPY shim /opt/deckhand/shim
ARG REGISTRIES=
ARG INPUTS=unknown
LABEL deckhand.inputs=${INPUTS} deckhand.registries=${REGISTRIES}
