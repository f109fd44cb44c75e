# uad-bench with its example job and its tests:
#   docker build -t uad-bench .
#   docker run --rm uad-bench                                    # uad-bench run --method mmccd
#   docker run --rm --entrypoint pytest uad-bench -n 2           # the tests
#   docker run --rm -v /data:/data:ro -v "$PWD/runs":/app/runs uad-bench run --method dae --task brats --data /data/BraTS2021
FROM python:3.12-slim
RUN apt-get update && apt-get install --yes --no-install-recommends git && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY . .
RUN pip install --no-cache-dir -c constraints.txt -e '.[dev]'
ENTRYPOINT ["uad-bench"]
CMD ["run", "--method", "mmccd"]
