#!/bin/sh
# Writes Postfix's configuration from the environment, then runs Postfix in the foreground.
#
#   MAIL_HOSTNAME       the name of this server; default: the container's name
#   MAIL_DOMAINS        the domains that it takes mail for, separated by spaces; default: example.com
#   MAIL_NEXT_HOP       where their mail goes, as in transport(5): smtp:[10.0.0.5]:25, lmtp:inet:dovecot:24.
#                       Default: all of it into one Maildir, /var/mail/inbox, to look at
#   FILTER              after-queue (default) or before-queue: see docs/after-queue.md, docs/before-queue.md
#   FILTER_ADDRESS      host:port of Postern; default: 127.0.0.1:10025
#   FILTER_CLIENTS      where Postern's own connections come from; default: 127.0.0.0/8
#   REINJECTION_LISTEN  address:port where mail comes back; default: 127.0.0.1:10026
#   TRIAL_CLIENTS       who may pretend to be another client at port 25 (XCLIENT, XFORWARD); default: nobody
set -eu

: "${MAIL_HOSTNAME:=$(hostname)}"
: "${MAIL_DOMAINS:=example.com}"
: "${MAIL_NEXT_HOP:=}"
: "${FILTER:=after-queue}"
: "${FILTER_ADDRESS:=127.0.0.1:10025}"
: "${FILTER_CLIENTS:=127.0.0.0/8}"
: "${REINJECTION_LISTEN:=127.0.0.1:10026}"
: "${TRIAL_CLIENTS:=}"

case "$FILTER" in
  after-queue | before-queue) ;;
  *)
    echo "FILTER is \"$FILTER\"; expected after-queue or before-queue" >&2
    exit 78
    ;;
esac

ours=/usr/local/share/postfix
cp "$ours/main.cf" /etc/postfix/main.cf
cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf
# A container is a better cage than a chroot that lacks resolv.conf.
postconf -F '*/*/chroot=n'
if [ "$FILTER" = before-queue ]; then
  postconf -MX smtp/inet
fi
sed "s/^127\.0\.0\.1:10026 /$REINJECTION_LISTEN /" "$ours/master.$FILTER.cf" >>/etc/postfix/master.cf

postconf -e "myhostname = $MAIL_HOSTNAME" \
  "smtpd_authorized_xclient_hosts = $TRIAL_CLIENTS" "smtpd_authorized_xforward_hosts = $TRIAL_CLIENTS"
postconf -P \
  "$REINJECTION_LISTEN/inet/mynetworks=$FILTER_CLIENTS" \
  "$REINJECTION_LISTEN/inet/smtpd_authorized_xforward_hosts=$FILTER_CLIENTS"
if [ "$FILTER" = after-queue ]; then
  postconf -e \
    "content_filter = postern:[${FILTER_ADDRESS%:*}]:${FILTER_ADDRESS##*:}" \
    'receive_override_options = no_address_mappings'
else
  postconf -P "smtp/inet/smtpd_proxy_filter=$FILTER_ADDRESS"
fi
if [ -n "$MAIL_NEXT_HOP" ]; then
  postconf -e "relay_domains = $MAIL_DOMAINS" "relay_transport = $MAIL_NEXT_HOP"
else
  postconf -e "virtual_mailbox_domains = $MAIL_DOMAINS"
fi

# An empty volume has none of the queue's directories.
postfix check
exec postfix start-fg
