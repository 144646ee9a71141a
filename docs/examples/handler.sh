#!/bin/sh
# Keeps what it is told in a file, once per message, and says how much there is. A text of somebody else is data: it
# comes on stdin and in variables, stands in quotes, and is never a part of a command.
set -eu
notes="$HOME/notes"
mkdir -p "$notes"
cat > "$notes/$FLEETD_MESSAGE_ID.json"
set -- "$notes"/*.json
echo "kept, $# in all, the last one from $FLEETD_FROM: $FLEETD_SUBJECT"
