# Sonda in a container. What it needs of the host:
#   --network host                     it measures the host's network; a bridge would put Docker's own between
#   --cap-add NET_RAW                  for echoes; without it Python itself does not start, for its file asks for it
#   --tmpfs /tmp                       where the rest is read-only: SQLite sorts there what is too large for memory
#   -v /etc/sonda:/etc/sonda:ro        sonda.toml; its secrets in /etc/sonda/secrets, readable for group 900
#   -v sonda:/var/lib/sonda            measurements and what is not sent yet
#   sysctl net.ipv4.ip_unprivileged_port_start=162   only for [traps], or port = 1162 there and in the devices
# docker build -t sonda .
# docker run -d --name sonda --restart unless-stopped --network host --cap-drop ALL --cap-add NET_RAW --read-only \
#   --tmpfs /tmp -v /etc/sonda:/etc/sonda:ro -v sonda:/var/lib/sonda sonda
# The health check asks 127.0.0.1:8080 by plain HTTP; where [http] says otherwise, give --no-healthcheck.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY requirements-run.lock pyproject.toml README.md ./
COPY agent agent
COPY collectors collectors
COPY kpi kpi
COPY config config
RUN python -m venv /opt/sonda \
 && /opt/sonda/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-run.lock \
 && /opt/sonda/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps . \
 && /opt/sonda/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim-bookworm
RUN groupadd --system --gid 900 sonda && useradd --system --uid 900 --gid 900 --home-dir /var/lib/sonda --create-home sonda \
 && apt-get update && apt-get install --yes --no-install-recommends libcap2-bin \
 && setcap cap_net_raw+ep "$(readlink -f /usr/local/bin/python3)" \
 && apt-get purge --yes --auto-remove libcap2-bin && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/sonda /opt/sonda
ENV PATH=/opt/sonda/bin:$PATH PYTHONUNBUFFERED=1
USER sonda
VOLUME /var/lib/sonda
EXPOSE 8080
HEALTHCHECK --interval=60s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]
ENTRYPOINT ["sonda"]
CMD ["run", "--config", "/etc/sonda/sonda.toml"]
