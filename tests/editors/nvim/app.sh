#!/bin/sh
# The app of the journey where there is no Python: the web server of BusyBox, which tells
# of each request.
cd "$(dirname "$0")" || exit
echo "listening on $1"
exec httpd -f -vv -p "127.0.0.1:$1"
