# The app on a CPU: `docker build -t dfexplain .`, then `docker run --rm -p 7860:7860 dfexplain`.
FROM python:3.12-slim

# Another index beside pip's own, such as one with smaller builds of PyTorch; none by default.
ARG PIP_EXTRA_INDEX_URL=""

RUN useradd --create-home --uid 1000 analyst
WORKDIR /app

COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt

COPY app.py LICENSE NOTICE ./
COPY dfexplain dfexplain
COPY examples/*.mp4 examples/
COPY weights weights

USER 1000
ENV GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
EXPOSE 7860

HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as web; web.urlopen('http://127.0.0.1:' + os.environ['GRADIO_SERVER_PORT'], timeout=8)"]

CMD ["python", "app.py"]
