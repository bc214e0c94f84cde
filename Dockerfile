# IEMS in a container: docker build -t iems . && docker run -v iems-config:/etc/iems -v iems-data:/var/lib/iems iems
# /etc/iems holds iems.config.ts and what it names; `docker run --rm -it -v iems-config:/etc/iems -v iems-data:/var/lib/iems
# iems init --folder /etc/iems --data /var/lib/iems` writes it.
FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm pack --silent --pack-destination /tmp \
 && mkdir /app && cd /app \
 && npm install --omit=dev --no-audit --no-fund /tmp/iems-*.tgz

FROM node:24-bookworm-slim
RUN groupadd --system iems \
 && useradd --system --gid iems --home-dir /var/lib/iems --shell /usr/sbin/nologin iems \
 && install -d -o iems -g iems -m 0700 /var/lib/iems /etc/iems
COPY --from=build /app /app
ENV PATH=/app/node_modules/.bin:$PATH
# Ports below 1024 are open to every user of a container's own network (net.ipv4.ip_unprivileged_port_start).
USER iems
WORKDIR /etc/iems
VOLUME ["/etc/iems", "/var/lib/iems"]
EXPOSE 25 465 587 143 993 110 995 389 636
HEALTHCHECK --interval=60s --timeout=20s --start-period=60s CMD ["iems", "status", "--health"]
ENTRYPOINT ["iems"]
CMD ["start", "--quiet"]
